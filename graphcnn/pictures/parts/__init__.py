"""From what is shown to places on the page: cards, lines, frames, legends."""
