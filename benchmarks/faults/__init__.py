"""What goes wrong, made to go wrong many times over: kills, damage, full disks, bad configs."""
