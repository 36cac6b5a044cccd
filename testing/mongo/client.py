"""A client on MongoDB's own driver: client.py PORT. Prints what it saw as JSON."""
import json
import sys

from pymongo import MongoClient

client = MongoClient(f"mongodb://127.0.0.1:{sys.argv[1]}/?serverSelectionTimeoutMS=20000")
things = client.shop.things
things.insert_one({"_id": 1, "name": "tea", "cups": 3})
things.insert_many([{"_id": i, "name": "coffee", "cups": i} for i in range(2, 5)])
things.update_one({"_id": 1}, {"$set": {"cups": 5}})
things.delete_one({"_id": 4})
found = sorted(each["cups"] for each in things.find({"name": {"$in": ["tea", "coffee"]}}))
names = things.distinct("name")
print(json.dumps({"cups": found, "names": sorted(names)}))
client.close()
