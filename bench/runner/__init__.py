# SPDX-License-Identifier: MIT
"""The runner of the comparison: what to measure, in which order, and what came out."""
