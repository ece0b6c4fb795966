"""Tests of passports, shares of assets, their factory and their market."""
