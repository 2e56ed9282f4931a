"""The orchestration service in front of live speech translation: speech in, translated captions out."""

import os

# Before numpy is imported anywhere. Its library of linear algebra would use all cores for matrices of a few
# kilobytes, and its threads wait for each other by spinning: on a busy machine of two cores a forecast took
# 30 s and 6.5 s of processor time, by one thread 1.9 s and 0.5 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
