"""Many runs from one command, and one run of many processes: what is sent where, in which folder they meet, how each of them ended."""
