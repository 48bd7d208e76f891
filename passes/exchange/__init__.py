"""Where files begin and end: what others write read as ours, ours in the form that is stored."""
