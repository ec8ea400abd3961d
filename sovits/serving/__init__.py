"""The service: text and a speaker id in over HTTP, speech out."""
