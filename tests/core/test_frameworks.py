"""`--image`: a word of the table in a region, or a URI as it is."""

import pytest

from spotbox.core.errors import UsageError
from spotbox.core.frameworks import FRAMEWORKS, has_torchrun, image_uri, is_builtin_algorithm, is_framework

G5 = "ml.g5.xlarge"
HUGGING = "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
TENSORFLOW = "tensorflow-training:2.21.0-gpu-py312"


@pytest.mark.parametrize(
    ("word", "region", "instance_type", "uri"),
    [
        ("pytorch", "us-east-1", G5, "763104351884.dkr.ecr.{}.amazonaws.com/pytorch-training:2.10.0-gpu-py313"),
        (
            "pytorch",
            "eu-south-2",
            "ml.m5.large",
            "503227376785.dkr.ecr.{}.amazonaws.com/pytorch-training:2.10.0-cpu-py313",
        ),
        ("tensorflow", "cn-north-1", "ml.p3.2xlarge", "727897471807.dkr.ecr.{}.amazonaws.com.cn/" + TENSORFLOW),
        (
            "huggingface",
            "us-gov-west-1",
            G5,
            "442386744353.dkr.ecr.{}.amazonaws.com/huggingface-pytorch-training:" + HUGGING,
        ),
    ],
)
def test_a_word_is_the_regions_image(word, region, instance_type, uri):
    """The registry is the region's, the tag that of the type's processor."""
    assert image_uri(word, region, instance_type) == uri.format(region)


@pytest.mark.parametrize(
    ("word", "region", "instance_type", "match"),
    [
        ("pytroch", "us-east-1", G5, "did you mean pytorch"),
        ("pytorch:2", "us-east-1", G5, "is no image"),
        ("pytorch", "xx-north-9", G5, "not known to be in xx-north-9"),
        ("huggingface", "eu-south-2", G5, "not known to be in eu-south-2"),
        ("pytorch", "us-east-1", "ml.p3.2xlarge", "no longer knows"),
        ("pytorch", "us-east-1", "ml.trn1.2xlarge", "images of its own"),
        ("pytorch", "us-east-1", "ml.p6e-gb200.36xlarge", "images of its own"),
        ("huggingface", "us-east-1", "ml.m5.large", "no GPU"),
        ("a b/c", "us-east-1", G5, "is not an image"),
        ("x/" + "y" * 300, "us-east-1", G5, "is not an image"),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:1", "us-east-1", G5, "lies in eu-west-1"),
    ],
)
def test_what_is_no_image_for_the_job_is_refused(word, region, instance_type, match):
    """Each in a usage error that says what would do."""
    with pytest.raises(UsageError, match=match) as caught:
        image_uri(word, region, instance_type)
    assert caught.value.hint


@pytest.mark.parametrize("uri", ["111122223333.dkr.ecr.us-east-1.amazonaws.com/a/b@sha256:0", "public.ecr.aws/x/y:1"])
def test_a_uri_is_taken_as_it_is(uri):
    assert image_uri(uri, "us-east-1", "ml.trn1.2xlarge") == uri
    assert not is_framework(uri)


def test_words_are_those_of_the_table():
    assert [is_framework(word) for word in (*FRAMEWORKS, "keras")] == [True, True, True, False]


def test_aws_own_algorithms_are_known_by_repository():
    """Not the user's image of the same name, and not what runs scripts."""
    image = "{}.dkr.ecr.us-east-1.amazonaws.com/{}:1"
    assert is_builtin_algorithm(image.format("811284229777", "blazingtext"), "111122223333")
    assert not is_builtin_algorithm(image.format("111122223333", "blazingtext"), "111122223333")
    assert not is_builtin_algorithm(image.format("683313688378", "sagemaker-xgboost"), "111122223333")
    assert not is_builtin_algorithm(image.format("763104351884", "pytorch-training"), "111122223333")


def test_torchrun_is_in_pytorchs_images_for_gpus():
    """Of an image of one's own the name does not tell."""
    assert has_torchrun(image_uri("pytorch", "us-east-1", G5)) is True
    assert has_torchrun(image_uri("huggingface", "us-east-1", G5)) is True
    assert has_torchrun(image_uri("pytorch", "us-east-1", "ml.m5.large")) is False
    assert has_torchrun(image_uri("tensorflow", "us-east-1", G5)) is False
    assert has_torchrun("111122223333.dkr.ecr.us-east-1.amazonaws.com/a:1") is None
