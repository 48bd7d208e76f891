"""Data sets from folders and zip files of pictures."""
