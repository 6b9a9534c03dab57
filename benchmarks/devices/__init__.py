"""Measuring on another Linux machine over ssh, from this one."""
