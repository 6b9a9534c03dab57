"""``run`` and ``compare``: artifacts measured on a device."""
