"""Stands for a test on GPUs: checks that it was given as many as it asked for, and says which."""

import os
import sys

wanted, given = int(sys.argv[1]), os.environ["CUDA_VISIBLE_DEVICES"].split(",")
print("on GPU", *given)
sys.exit(len(given) != wanted)
