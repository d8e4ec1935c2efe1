"""What `up` asks on a terminal, and the list of types that it shows."""

LIST = """\
                      GPU        on-demand    Spot  savings  inter-
type         GPU      GiB  vCPU        $/h     $/h        %  rupted  quota
g4dn.xlarge  1x T4     16     4     0.5260  0.1578    70.00   5-10%  ok
g5.xlarge    1x A10G   24     4     1.0060  0.4024    60.00    >20%  ok
"""
ASKED = [
    ("Region", ...),
    ("Instance type", ...),
    ("Availability Zone", ...),
    ("Maximum price", ...),
    ("Disk", ...),
    ("Stop when idle", ...),
    ("Go ahead?", ...),
    ("Add spotbox's boxes", False),
]
