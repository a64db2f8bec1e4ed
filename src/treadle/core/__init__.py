"""The pure part: no files, processes, threads, clocks, environment or logging; time is an argument."""
