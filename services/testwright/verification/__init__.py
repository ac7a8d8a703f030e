"""Verification: what a candidate suite is worth, found out by running it apart from whoever wrote it.

Each test must be able to fail, pass alone and together with the others, in any order, in fresh processes that differ in
hash seed, time zone and working directory, and add coverage or kill a mutant. What is delivered is what was measured.
"""

from testwright.verification.inquiry import Finding, Inquiry, Progress, Provenance
from testwright.verification.verify import verify

__all__ = ["Finding", "Inquiry", "Progress", "Provenance", "verify"]
