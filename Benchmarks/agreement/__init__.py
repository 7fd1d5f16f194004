"""What differential.py is made of."""
