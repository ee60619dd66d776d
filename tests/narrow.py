"""Networks of the package that are wide, with few channels and units."""

from jaxtweaks.config import parts

NAME = 'narrow'


def narrow(name):
    """Registers such a network as `NAME`."""
    known = parts.of_slot('network')[name]
    facts = known.facts | {
        'channels': tuple(one // 30 for one in known.facts['channels']),
        'hidden': tuple(4 for _ in known.facts['hidden']),
    }

    @parts.register('network', NAME, NAME, **facts)
    class Narrow(known.build):
        """The network with few channels and units."""
