if __name__ == "datasets":
    raise ModuleNotFoundError(
        "This folder is the package `closurax.datasets`: write `import closurax.datasets`."
    )

from .batches import Batches as Batches
from .dns import open_dns as open_dns, write_dns as write_dns
from .filtered_pairs import (
    filtered_pairs as filtered_pairs,
    open_pairs as open_pairs,
    training_pairs as training_pairs,
    write_pairs as write_pairs,
)
from .generate_dns import generate_dns as generate_dns
from .normalisers import Standardiser as Standardiser
from .reference_dns import reduce_reference as reduce_reference, reference_dns as reference_dns
from .splits import split_by_time_block as split_by_time_block
