"""Importers: first plans, drafted from the files of other tools or from the programs in a folder."""
