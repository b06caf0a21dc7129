"""An ESXi to test and demonstrate against; shares no line with the rest."""
