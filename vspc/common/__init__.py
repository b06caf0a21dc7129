"""What every room may use and none owns. No Twisted."""
