"""What runs passes: pipelines, rewrite rules, observers, reports."""
