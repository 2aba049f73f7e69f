"""Metadata, dependencies and what is installed: all of it stands here and nowhere else."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "libprobe/__init__.py").read_text(), re.MULTILINE).group(1)


class SourceDistribution(sdist):
    """Keeps links to directories as such: setuptools would copy what is behind them, or leave it out."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        for name in ("probes/libprobe", "libprobe/programs/definitions"):
            os.symlink(os.readlink(HERE / name), Path(base_dir) / name)


setup(
    cmdclass={"sdist": SourceDistribution},
    name="fedcloud-probes",
    version=VERSION,
    description="Monitoring probes of the EGI Federated Cloud for SAM, Nagios and Icinga",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["libprobe", "libprobe.*"]),
    # definitions is a link to etc/ncg: one place in a checkout, a copy in what is built
    package_data={
        "libprobe": ["py.typed", "programs/definitions/*", "programs/ncg/templates/*/*", "timelines/profiles/*"]
    },
    scripts=[
        str(path.relative_to(HERE))
        for names in ("check_*", "fedcloud-*")
        for path in sorted((HERE / "probes").glob(names))
    ],
    install_requires=[
        "nagiosplugin>=1.4,<2",
        "requests>=2.34,<3",
        "ldap3>=2.9.1,<3",
        "pyasn1>=0.4.6,<0.7",  # ldap3 2.9.1 takes names from it that are announced to go
        "stomp.py>=9,<10",
        "python-dateutil>=2.9",
        "cryptography>=45.0.1",
        "asn1crypto>=1.5.1,<2",
        "jinja2>=3.1,<4",
        "rich>=14,<16",
    ],
    extras_require={
        "boot": ["paramiko~=5.0"],
        "fuzz": ["atheris>=3,<4"],
        "release": ["build>=1.6", "pip-tools>=7.6", "cyclonedx-bom>=7.5,<8", "pip-audit>=2.10"],
        "mutation": ["mutmut>=3.8,<4"],
        "dev": [
            "pytest>=9",
            "pytest-xdist>=3.8",
            "pytest-cov>=7",
            "pytest-rerunfailures>=16.7",
            "hypothesis>=6.170",
            "ruff==0.17.6",
            "mypy==2.4.1",
            "import-linter==2.16",
            "grimp>=3.14,<4",
            "types-requests",
            "paramiko~=5.0",
            "build>=1.6",
            "pyyaml>=6",
            "argparse-manpage>=4.6",
            "shtab>=1.7",
            "prometheus-client>=0.20",
            "argo-ams-library>=1,<2",
            "avro>=1.12,<2",
            "fastavro>=1.13,<2",
            "cyclonedx-bom>=7.5,<8",
            "pip-audit>=2.10",
        ],
    },
    classifiers=[
        "Environment :: Plugins",
        "Intended Audience :: System Administrators",
        "Programming Language :: Python :: 3.11",
        "Topic :: System :: Monitoring",
    ],
)
