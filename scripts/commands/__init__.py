"""The commands of `affidavit`, by what they are about."""
