"""What a picture is made of: shapes, colours, texts of known width, numbers with units."""
