"""What a user can ask for: each verb turns one composed configuration into files."""
