"""Running a monitor in a process of its own, and reading what it tells of itself."""
