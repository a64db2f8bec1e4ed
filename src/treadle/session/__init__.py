"""One call of Treadle: what is loaded, selected, run and watched."""
