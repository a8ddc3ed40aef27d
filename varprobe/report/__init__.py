"""Report, the one record that everything downstream sees, and how it is made and stored."""
