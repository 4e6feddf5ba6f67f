"""Installed versions of the hosts: Axolotl, TRL, lm_eval and what they build on."""
