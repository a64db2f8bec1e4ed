"""What files hold: how they are looked at, named and compared."""
