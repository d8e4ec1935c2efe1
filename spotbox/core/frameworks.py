"""The images that AWS has for training: `--image pytorch` in a region, and what else an image's URI tells.

Table of 22 November 2026. Tags and registries: sagemaker-python-sdk, `image_uri_config` of sagemaker-core 2.27.0
(October 2026); the registries also in Deep Learning Containers, "Region Availability".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spotbox.core.errors import UsageError
from spotbox.core.text import did_you_mean, safe

TABLE_DATE = "2026-11-22"
_MAIN = "763104351884"
_OF_MAIN = """
us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3
ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2
"""
_REGISTRIES = {
    **dict.fromkeys(_OF_MAIN.split(), _MAIN),
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "me-west-1": "124382933778",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}


@dataclass(frozen=True)
class Framework:
    """One of AWS's framework images; `cpu` is None where there is none. `too_old`: families its CUDA leaves behind;
    `not_in`: regions whose registry lacks it."""

    repository: str
    version: str
    gpu: str  # tag
    cpu: str | None
    too_old: frozenset[str]
    not_in: Sequence[str] = ()


# CUDA 13 has no code for Volta (p3) and older; CUDA 12 none for Kepler (p2): CUDA Toolkit release notes, 12.0 and 13.0.
_OLD_FOR_12, _OLD_FOR_13 = frozenset({"p2"}), frozenset({"p2", "p3", "p3dn"})
_NO_HUGGING_FACE = """
ap-east-2 ap-south-2 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 eu-central-2 eu-south-2 me-west-1
mx-central-1
"""
_HUGGING_FACE = "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
FRAMEWORKS = {
    "pytorch": Framework("pytorch-training", "2.10.0", "2.10.0-gpu-py313", "2.10.0-cpu-py313", _OLD_FOR_13),
    "tensorflow": Framework("tensorflow-training", "2.21.0", "2.21.0-gpu-py312", "2.21.0-cpu-py312", _OLD_FOR_12),
    "huggingface": Framework(
        "huggingface-pytorch-training", "5.3.0", _HUGGING_FACE, None, _OLD_FOR_13, _NO_HUGGING_FACE
    ),
}
# AWS's own algorithms by the name of their repository (SageMaker Developer Guide, "Docker registry paths").
# sagemaker-xgboost and sagemaker-scikit-learn are left out: with a script they are frameworks.
_ALGORITHMS = """
blazingtext factorization-machines forecasting-deepar image-classification ipinsights kmeans knn lda linear-learner
ntm object-detection object2vec pca randomcutforest semantic-segmentation seq2seq xgboost
"""
_ECR = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.-]+/([a-z0-9._/-]+)(?:[:@].+)?")
_URI = re.compile(r"[\x21-\x7e]{1,255}")  # CreateTrainingJob, TrainingImage: at most 255 characters


def is_framework(word: str) -> bool:
    """Whether `--image` names one of the table, and no URI."""
    return word in FRAMEWORKS


def image_uri(word: str, region: str, instance_type: str) -> str:
    """The image that `--image` means for a job on `instance_type` (ml.*) in `region`: a URI is taken as it is.

    UsageError for a word that is none of the table, a region whose registry is not known, and a type that the
    framework's image does not run on. An ECR image of another region is told too: SageMaker pulls from its own.
    """
    if "/" in word:
        return _own_image(word, region)
    framework = FRAMEWORKS.get(word)
    if framework is None:
        raise UsageError(
            f"{safe(word)!r} is no image{did_you_mean(word, FRAMEWORKS)}",
            f"Give {', '.join(FRAMEWORKS)} (AWS's images of {TABLE_DATE}) or the URI of an image in ECR.",
        )
    registry = _REGISTRIES.get(region)
    if registry is None or region in framework.not_in:
        raise UsageError(
            f"AWS's {word} image of {TABLE_DATE} is not known to be in {safe(region)}",
            "Give the image's URI; AWS lists them under Deep Learning Containers, Region Availability.",
        )
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{registry}.dkr.ecr.{region}.{domain}/{framework.repository}:{_tag(word, framework, instance_type)}"


def is_builtin_algorithm(image: str, account: str) -> bool:
    """Whether the image is one of AWS's own algorithms; one of that name in `account` is the user's."""
    match = _ECR.fullmatch(image)
    return match is not None and match[1] != account and match[3] in _ALGORITHMS.split()


def has_torchrun(image: str) -> bool | None:
    """Whether the image starts a script with torchrun where asked to; None where its URI does not tell.

    sagemaker-python-sdk (fw_utils): PyTorch images for GPUs, from 1.13.1.
    """
    match = _ECR.fullmatch(image)
    if not match or match[1] not in _REGISTRIES.values():
        return None
    return "pytorch" in match[3] and "-cpu-" not in image


def _own_image(uri: str, region: str) -> str:
    if not _URI.fullmatch(uri):
        raise UsageError(
            f"{safe(uri)!r} is not an image", "A URI has at most 255 letters, digits and signs, and no space."
        )
    match = _ECR.fullmatch(uri)
    if match and match[2] != region:
        raise UsageError(
            f"the image lies in {match[2]}, the job runs in {safe(region)}",
            "SageMaker takes an image from its own region: push it there, or choose the region with -r.",
        )
    return uri


def _tag(word: str, framework: Framework, instance_type: str) -> str:
    family = instance_type.removeprefix("ml.").partition(".")[0]
    if family.startswith(("trn", "inf")) or family.startswith("p6e"):  # Neuron has images of its own; p6e is Arm
        why = "which has images of its own"
    elif family in framework.too_old:
        why = "whose GPU its CUDA no longer knows"
    elif family.startswith(("g", "p")):
        return framework.gpu
    elif framework.cpu is None:
        why = "which has no GPU, and there is none without"
    else:
        return framework.cpu
    raise UsageError(
        f"AWS's {word} image ({framework.version}) does not run on {safe(instance_type)}, {why}",
        "Name another type with -t, or give the URI of an image that does with --image.",
    )
