"""What people see of a search: tables, pictures, one page."""
