"""What an Axolotl configuration names: the plugin and the dataset format.

plugins: [in2_plugin.axolotl.IN2Plugin]
datasets:
  - path: data/my-in2
    type: in2                  # without the plugin: type: in2_plugin.axolotl
"""

from in2_plugin.training.axolotl.format import load
from in2_plugin.training.axolotl.plugin import IN2Plugin

__all__ = ["IN2Plugin", "load"]
