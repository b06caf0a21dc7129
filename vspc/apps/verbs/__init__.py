"""What operators can say, one file per verb."""
