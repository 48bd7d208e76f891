"""What stands below everything: switches, files, words, arguments. Nothing here knows a graph."""
