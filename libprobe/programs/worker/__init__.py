"""The resident worker: Nagios hands it this package's checks, and it runs them without starting Python.

    Nagios ── one connection per probe ── supervisor (no library, never waits)
                                              │ control                │ jobs and results, a packet each
                                       fork server (library imported) ─fork─ runners: read-only probes, in threads
                                                                       └fork─ processes: one job at a time, all others

The supervisor answers for whatever happens below it: a job of a runner that dies is run once more in a
process of its own, and one whose process dies is UNKNOWN. After a clean end a process takes another (`check_process`).
"""
