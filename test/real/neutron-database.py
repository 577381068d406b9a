"""Makes Neutron's tables in a new SQLite database, as its own tests do: its migrations are not for SQLite."""
import sys

import sqlalchemy
from neutron.db.migration.models import head

head.get_metadata().create_all(sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}"))
