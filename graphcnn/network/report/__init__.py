"""What a model makes of a data set, class by class: tables, pictures, JSON."""
