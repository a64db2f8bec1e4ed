"""What people see: pure rendering of state, and a thin writer."""
