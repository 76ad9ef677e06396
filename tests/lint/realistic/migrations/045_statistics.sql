-- description: City and country go together, which the planner cannot know
create statistics addresses_city_country (dependencies) on city, country_code from addresses;
analyze addresses;
