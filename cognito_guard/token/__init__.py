"""What a Cognito token is: its claims, the profiles that accept it, and the Principal it speaks for."""
