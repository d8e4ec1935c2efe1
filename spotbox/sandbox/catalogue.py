"""What the sandbox sells: one table of instance types with their hardware and dated public prices.

Hardware is as DescribeInstanceTypes tells it. `on_demand` is the Linux price in us-east-1, USD per hour, from the
newest public price list seen for the type between October 2022 and July 2026 (karpenter-provider-aws
`zz_generated.pricing_aws.go` by date); p5e, trn2 and dl2q are estimates. `spot` is the fraction of it
that a Spot instance cost in February 2024 where a price was recorded, else a round figure of the same family; 0 is a
type that AWS never sells on Spot (DescribeInstanceTypes, SupportedUsageClasses).
Types that AWS has retired (g3, g4ad, p2, p3, dl1) are in no zone, until a price of old is put there.
The sandbox's prices are therefore plausible and old, never to be quoted as AWS's.
"""

from dataclasses import dataclass
from decimal import Decimal

# Names hold _ for a space. Count is GPUs (a fraction where a GPU is shared), gpu_mib the total over all of them.
_TABLE = """
    g4dn.xlarge       T4                   NVIDIA  1      16384    4    16    x86_64  0.526      0.42
    g4dn.2xlarge      T4                   NVIDIA  1      16384    8    32    x86_64  0.752      0.43
    g4dn.4xlarge      T4                   NVIDIA  1      16384    16   64    x86_64  1.204      0.46
    g4dn.8xlarge      T4                   NVIDIA  1      16384    32   128   x86_64  2.176      0.4
    g4dn.12xlarge     T4                   NVIDIA  4      65536    48   192   x86_64  3.912      0.46
    g4dn.16xlarge     T4                   NVIDIA  1      16384    64   256   x86_64  4.352      0.42
    g4dn.metal        T4                   NVIDIA  8      131072   96   384   x86_64  7.824      0.46
    g4ad.xlarge       Radeon_Pro_V520      AMD     1      8192     4    16    x86_64  0.37853    0.43
    g4ad.2xlarge      Radeon_Pro_V520      AMD     1      8192     8    32    x86_64  0.54117    0.48
    g4ad.4xlarge      Radeon_Pro_V520      AMD     1      8192     16   64    x86_64  0.867      0.49
    g4ad.8xlarge      Radeon_Pro_V520      AMD     2      16384    32   128   x86_64  1.734      0.45
    g4ad.16xlarge     Radeon_Pro_V520      AMD     4      32768    64   256   x86_64  3.468      0.44
    g5.xlarge         A10G                 NVIDIA  1      22888    4    16    x86_64  1.006      0.56
    g5.2xlarge        A10G                 NVIDIA  1      22888    8    32    x86_64  1.212      0.55
    g5.4xlarge        A10G                 NVIDIA  1      22888    16   64    x86_64  1.624      0.43
    g5.8xlarge        A10G                 NVIDIA  1      22888    32   128   x86_64  2.448      0.49
    g5.12xlarge       A10G                 NVIDIA  4      91552    48   192   x86_64  5.672      0.45
    g5.16xlarge       A10G                 NVIDIA  1      22888    64   256   x86_64  4.096      0.41
    g5.24xlarge       A10G                 NVIDIA  4      91552    96   384   x86_64  8.144      0.48
    g5.48xlarge       A10G                 NVIDIA  8      183104   192  768   x86_64  16.288     0.41
    g5g.xlarge        T4g                  NVIDIA  1      16384    4    8     arm64   0.42       0.43
    g5g.2xlarge       T4g                  NVIDIA  1      16384    8    16    arm64   0.556      0.46
    g5g.4xlarge       T4g                  NVIDIA  1      16384    16   32    arm64   0.828      0.45
    g5g.8xlarge       T4g                  NVIDIA  1      16384    32   64    arm64   1.372      0.47
    g5g.16xlarge      T4g                  NVIDIA  2      32768    64   128   arm64   2.744      0.47
    g5g.metal         T4g                  NVIDIA  2      32768    64   128   arm64   2.744      0.46
    g6.xlarge         L4                   NVIDIA  1      22888    4    16    x86_64  0.8048     0.39
    g6.2xlarge        L4                   NVIDIA  1      22888    8    32    x86_64  0.9776     0.39
    g6.4xlarge        L4                   NVIDIA  1      22888    16   64    x86_64  1.3232     0.39
    g6.8xlarge        L4                   NVIDIA  1      22888    32   128   x86_64  2.0144     0.39
    g6.12xlarge       L4                   NVIDIA  4      91552    48   192   x86_64  4.6016     0.39
    g6.16xlarge       L4                   NVIDIA  1      22888    64   256   x86_64  3.3968     0.39
    g6.24xlarge       L4                   NVIDIA  4      91552    96   384   x86_64  6.6752     0.39
    g6.48xlarge       L4                   NVIDIA  8      183104   192  768   x86_64  13.3504    0.39
    g6e.xlarge        L40S                 NVIDIA  1      45776    4    32    x86_64  1.861      0.44
    g6e.2xlarge       L40S                 NVIDIA  1      45776    8    64    x86_64  2.24208    0.44
    g6e.4xlarge       L40S                 NVIDIA  1      45776    16   128   x86_64  3.00424    0.44
    g6e.8xlarge       L40S                 NVIDIA  1      45776    32   256   x86_64  4.52856    0.44
    g6e.12xlarge      L40S                 NVIDIA  4      183104   48   384   x86_64  10.49264   0.44
    g6e.16xlarge      L40S                 NVIDIA  1      45776    64   512   x86_64  7.57719    0.44
    g6e.24xlarge      L40S                 NVIDIA  4      183104   96   768   x86_64  15.06559   0.44
    g6e.48xlarge      L40S                 NVIDIA  8      366208   192  1536  x86_64  30.13118   0.44
    g6f.large         L4                   NVIDIA  0.125  2861     2    8     x86_64  0.202      0.41
    g6f.xlarge        L4                   NVIDIA  0.125  2861     4    16    x86_64  0.2375     0.41
    g6f.2xlarge       L4                   NVIDIA  0.25   5722     8    32    x86_64  0.475      0.41
    g6f.4xlarge       L4                   NVIDIA  0.5    11444    16   64    x86_64  0.95       0.41
    gr6.4xlarge       L4                   NVIDIA  1      22888    16   128   x86_64  1.5392     0.4
    gr6.8xlarge       L4                   NVIDIA  1      22888    32   256   x86_64  2.4464     0.4
    gr6f.4xlarge      L4                   NVIDIA  0.5    11444    16   128   x86_64  1.066      0.41
    g7.2xlarge        RTX_PRO_4500         NVIDIA  1      32768    8    32    x86_64  2.52       0.48
    g7.4xlarge        RTX_PRO_4500         NVIDIA  1      32768    16   64    x86_64  3.04208    0.48
    g7.8xlarge        RTX_PRO_4500         NVIDIA  1      32768    32   128   x86_64  4.08624    0.48
    g7.12xlarge       RTX_PRO_4500         NVIDIA  2      65536    48   192   x86_64  7.12832    0.48
    g7.24xlarge       RTX_PRO_4500         NVIDIA  4      131072   96   384   x86_64  14.25664   0.48
    g7.48xlarge       RTX_PRO_4500         NVIDIA  8      262144   192  768   x86_64  28.51328   0.48
    g7e.2xlarge       RTX_PRO_Server_6000  NVIDIA  1      98304    8    64    x86_64  3.36312    0.46
    g7e.4xlarge       RTX_PRO_Server_6000  NVIDIA  1      98304    16   128   x86_64  3.99816    0.46
    g7e.8xlarge       RTX_PRO_Server_6000  NVIDIA  1      98304    32   256   x86_64  5.26824    0.46
    g7e.12xlarge      RTX_PRO_Server_6000  NVIDIA  2      196608   48   512   x86_64  8.28608    0.46
    g7e.24xlarge      RTX_PRO_Server_6000  NVIDIA  4      393216   96   1024  x86_64  16.57216   0.46
    g7e.48xlarge      RTX_PRO_Server_6000  NVIDIA  8      786432   192  2048  x86_64  33.14432   0.46
    p2.xlarge         K80                  NVIDIA  1      12288    4    61    x86_64  0.9        0.48
    p2.8xlarge        K80                  NVIDIA  8      98304    32   488   x86_64  7.2        0.38
    p2.16xlarge       K80                  NVIDIA  16     196608   64   732   x86_64  14.4       0.37
    p3.2xlarge        V100                 NVIDIA  1      16384    8    61    x86_64  3.06       0.47
    p3.8xlarge        V100                 NVIDIA  4      65536    32   244   x86_64  12.24      0.38
    p3.16xlarge       V100                 NVIDIA  8      131072   64   488   x86_64  24.48      0.36
    p3dn.24xlarge     V100                 NVIDIA  8      262144   96   768   x86_64  31.212     0.39
    p4d.24xlarge      A100                 NVIDIA  8      327680   96   1152  x86_64  21.957642  0.34
    p4de.24xlarge     A100                 NVIDIA  8      655360   96   1152  x86_64  27.44705   0.41
    p5.4xlarge        H100                 NVIDIA  1      81920    16   256   x86_64  6.88       0.52
    p5.48xlarge       H100                 NVIDIA  8      655360   192  2048  x86_64  55.04      0.72
    p5e.48xlarge      H200                 NVIDIA  8      1155072  192  2048  x86_64  39.8       0.55
    p5en.48xlarge     H200                 NVIDIA  8      1155072  192  2048  x86_64  63.296     0.5
    p6-b200.48xlarge  B200                 NVIDIA  8      1466872  192  2048  x86_64  113.9328   0.58
    p6-b300.48xlarge  B300                 NVIDIA  8      2200320  192  4096  x86_64  142.416    0.6
    trn1.2xlarge      Trainium             AWS     1      32768    8    32    x86_64  1.34375    0.44
    trn1.32xlarge     Trainium             AWS     16     524288   128  512   x86_64  21.5       0.36
    trn1n.32xlarge    Trainium             AWS     16     524288   128  512   x86_64  24.78      0.36
    trn2.3xlarge      Trainium2            AWS     1      524288   12   128   x86_64  2.235      0.45
    trn2.48xlarge     Trainium2            AWS     16     8388608  192  2048  x86_64  35.76      0.45
    inf1.xlarge       Inferentia           AWS     1      8192     4    8     x86_64  0.228      0.43
    inf1.2xlarge      Inferentia           AWS     1      8192     8    16    x86_64  0.362      0.5
    inf1.6xlarge      Inferentia           AWS     4      32768    24   48    x86_64  1.18       0.43
    inf1.24xlarge     Inferentia           AWS     16     131072   96   192   x86_64  4.721      0.44
    inf2.xlarge       Inferentia2          AWS     1      32768    4    16    x86_64  0.7582     0.49
    inf2.8xlarge      Inferentia2          AWS     1      32768    32   128   x86_64  1.96786    0.45
    inf2.24xlarge     Inferentia2          AWS     6      196608   96   384   x86_64  6.49063    0.39
    inf2.48xlarge     Inferentia2          AWS     12     393216   192  768   x86_64  12.98127   0.4
    dl1.24xlarge      Gaudi_HL-205         Habana  8      262144   96   768   x86_64  13.10904   0.38
    dl2q.24xlarge     Qualcomm_AI100       Qualcomm 8     128000   96   768   x86_64  8.9194     0.3
    g3s.xlarge        M60                  NVIDIA  1      8192     4    30.5  x86_64  0.75       0.4
    g3.4xlarge        M60                  NVIDIA  1      8192     16   122   x86_64  1.14       0.41
    g3.8xlarge        M60                  NVIDIA  2      16384    32   244   x86_64  2.28       0.41
    g3.16xlarge       M60                  NVIDIA  4      32768    64   488   x86_64  4.56       0.41
    vt1.3xlarge       U30                  Xilinx  1      24576    12   24    x86_64  0.65       0.44
    vt1.6xlarge       U30                  Xilinx  2      49152    24   48    x86_64  1.3        0.44
    vt1.24xlarge      U30                  Xilinx  8      196608   96   192   x86_64  5.2        0.44
    trn2u.48xlarge    Trainium2            AWS     16     1572864  192  2048  x86_64  44.7       0
    t2.nano           -                    -       0      0        1    0.5   x86_64  0.0058     0
    t3.micro          -                    -       0      0        2    1     x86_64  0.0104     0.36
    t3.medium         -                    -       0      0        2    4     x86_64  0.0416     0.4
    t3.large          -                    -       0      0        2    8     x86_64  0.0832     0.4
    t4g.medium        -                    -       0      0        2    4     arm64   0.0336     0.42
    m5.large          -                    -       0      0        2    8     x86_64  0.096      0.42
    c5.large          -                    -       0      0        2    4     x86_64  0.085      0.44
    r5.large          -                    -       0      0        2    16    x86_64  0.126      0.39
    m5.xlarge         -                    -       0      0        4    16    x86_64  0.192      0.43
    c5.xlarge         -                    -       0      0        4    8     x86_64  0.17       0.43
    m5.2xlarge        -                    -       0      0        8    32    x86_64  0.384      0.45
"""


@dataclass(frozen=True)
class Hardware:
    """One row of the table. `gpu_memory_mib` is the total in MiB, `memory_gib` in GiB, `on_demand` USD/h."""

    name: str
    gpu: str | None
    maker: str | None
    gpu_count: Decimal
    gpu_memory_mib: int
    vcpus: int
    memory_gib: Decimal
    arch: str
    on_demand: Decimal
    spot_fraction: Decimal

    @property
    def family(self) -> str:
        """The part before the dot: g5, p4d, p6-b200."""
        return self.name.split(".")[0]


def _row(line: str) -> Hardware:
    name, gpu, maker, count, gpu_mib, vcpus, memory, arch, price, fraction = line.split()
    return Hardware(
        name,
        None if gpu == "-" else gpu.replace("_", " "),
        None if maker == "-" else maker,
        Decimal(count),
        int(gpu_mib),
        int(vcpus),
        Decimal(memory),
        arch,
        Decimal(price),
        Decimal(fraction),
    )


TYPES: dict[str, Hardware] = {row.name: row for row in map(_row, _TABLE.strip().splitlines())}

# gp3 and its kin in us-east-1, USD per GB-month, and what an IPv4 address costs an hour (EC2 pricing pages, 2026).
STORAGE = {
    "gp3": Decimal("0.08"),
    "gp2": Decimal("0.10"),
    "io1": Decimal("0.125"),
    "io2": Decimal("0.125"),
    "st1": Decimal("0.045"),
    "sc1": Decimal("0.015"),
    "standard": Decimal("0.05"),
}
SNAPSHOTS = {"SnapshotUsage": Decimal("0.05"), "SnapshotArchiveStorage": Decimal("0.0125")}  # USD per GiB-month
PUBLIC_IPV4 = Decimal("0.005")
