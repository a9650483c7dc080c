"""The fronts: each translates one framework's requests, and none knows another. Import the one that is needed."""
