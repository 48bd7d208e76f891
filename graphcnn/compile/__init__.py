"""Where passes and runtime meet: pipelines, native code for a graph, runners, profiles."""
