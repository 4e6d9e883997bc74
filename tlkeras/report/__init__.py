"""What people read: tables of text, and one self-contained page."""
