"""The command line: starts the mesh on one machine, sends it payments, reads what it recorded."""
