"""Links to other programs: frames in, results out."""
