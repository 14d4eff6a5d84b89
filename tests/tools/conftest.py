"""Tests of the labelled contracts are collected where these are: beside the project."""

from pathlib import Path

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
collect_ignore = [] if DATA.is_dir() else ["test_contracts.py"]
