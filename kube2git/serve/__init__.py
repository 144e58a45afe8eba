"""The daemon: exports by schedule, one replica at a time, and says how it goes.

Rule: each run is a process of its own, `kube2git export`, so that memory stays flat and nothing
that happens in a run can hurt the daemon. It prints nothing but its log.
"""
