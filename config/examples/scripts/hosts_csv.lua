-- The list that enrich_csv.lua looks things up in: a CSV file between [[ and ]].
return [[
host,team,site
web-1,shop,fra
web-2,shop,dub
db-1,"data, storage",fra
]]
